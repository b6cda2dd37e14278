# Keras 2, 3: Q-learning with a memory, a target model and predict in a loop
import random
from collections import deque

import numpy as np
from keras.layers import Dense
from keras.models import Sequential
from keras.optimizers import Adam


class Corridor:
    def reset(self):
        self.place = 2
        return self.state()

    def state(self):
        return np.eye(5)[self.place]

    def step(self, action):
        self.place += 1 if action else -1
        done = self.place in (0, 4)
        return self.state(), float(self.place == 4), done


class DQNAgent:
    def __init__(self, state_size, action_size):
        self.action_size = action_size
        self.memory = deque(maxlen=200)
        self.gamma, self.epsilon = 0.95, 1.0
        self.model, self.target = (self.build(state_size) for _ in range(2))
        self.update_target()

    def build(self, state_size):
        model = Sequential()
        model.add(Dense(12, input_dim=state_size, activation="relu"))
        model.add(Dense(self.action_size, activation="linear"))
        model.compile(loss="mse", optimizer=Adam(learning_rate=0.01))
        return model

    def update_target(self):
        self.target.set_weights(self.model.get_weights())

    def act(self, state):
        if np.random.rand() <= self.epsilon:
            return random.randrange(self.action_size)
        return int(np.argmax(self.model.predict(state, verbose=0)[0]))

    def replay(self, batch_size):
        for state, action, reward, next_state, done in random.sample(self.memory, batch_size):
            target = self.model.predict(state, verbose=0)
            future = np.amax(self.target.predict(next_state, verbose=0)[0])
            target[0][action] = reward if done else reward + self.gamma * future
            self.model.fit(state, target, epochs=1, verbose=0)
        self.epsilon *= 0.8


random.seed(0)
env, agent = Corridor(), DQNAgent(5, 2)
for _ in range(4):
    state, done = env.reset()[None], False
    for _ in range(10):
        action = agent.act(state)
        next_state, reward, done = env.step(action)
        agent.memory.append((state, action, reward, next_state[None], done))
        state = next_state[None]
        if done:
            agent.update_target()
            break
agent.replay(4)
model = agent.model
q_values = model.predict(np.eye(5), verbose=0)
