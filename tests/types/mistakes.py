"""Mistakes that type checkers find; never run. `# wrong: WORD` marks a line and a word of the error.

Both checkers must complain about each of these lines, with the word, and about no other.
"""

import numpy as np

import pyseq
from pyseq import (
    callbacks,
    constraints,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    regularizers,
    saving,
    utils,
    visualize,
)

# Names that pyseq lacks.
pyseq.Sequentail  # wrong: Sequentail
pyseq.importlib  # wrong: importlib
layers.Dnese(1)  # wrong: Dnese
layers.conv2D(1, 3)  # wrong: conv2D
losses.MeanSquaredErorr()  # wrong: MeanSquaredErorr
metrics.Acuracy()  # wrong: Acuracy
optimizers.Adamm()  # wrong: Adamm
optimizers.schedules.CosineDecai(0.1, 10)  # wrong: CosineDecai
callbacks.EarlyStoping()  # wrong: EarlyStoping
initializers.HeNormall()  # wrong: HeNormall
ops.reluu(1.0)  # wrong: reluu
ops.nn.softmaxx([1.0])  # wrong: softmaxx
ops.image.resise([1.0], (1, 1))  # wrong: resise
utils.to_categoricall([1])  # wrong: to_categoricall
saving.load_modell("a.keras")  # wrong: load_modell
datasets.minst.load_data()  # wrong: minst
visualize.learning_curve(None)  # wrong: learning_curve

# Arguments of layers.
layers.Dense(units="10")  # wrong: units
layers.Dense(10.5)  # wrong: float
layers.Dense(10, activation=3)  # wrong: activation
layers.Dense(10, activaton="relu")  # wrong: activaton
layers.Dense(10, nmae="first")  # wrong: nmae
layers.Dense(10, name=3)  # wrong: name
layers.Dense(10, kernel_regularizer=0.01)  # wrong: kernel_regularizer
layers.Dense(10, use_bias="no")  # wrong: use_bias
layers.Dense()  # wrong: units
layers.Conv2D(8, "3")  # wrong: Sequence[int]
layers.Conv2D(8, 3, padding="smae")  # wrong: padding
layers.Conv2D(8, 3, stride=2)  # wrong: stride
layers.Conv2D(8, 3, data_format="channel_last")  # wrong: data_format
layers.MaxPooling2D(pool=2)  # wrong: pool
layers.Dropout("0.3")  # wrong: float
layers.BatchNormalization(momentun=0.9)  # wrong: momentun
layers.LSTM(8, return_sequence=True)  # wrong: return_sequence
layers.LSTM(8, return_sequences="yes")  # wrong: return_sequences
layers.Bidirectional(layers.LSTM(8), mergemode="sum")  # wrong: mergemode
layers.Embedding(100)  # wrong: output_dim
layers.Embedding(100, 8, mask_zeros=True)  # wrong: mask_zeros
layers.MultiHeadAttention(num_heads=2)  # wrong: key_dim
layers.MultiHeadAttention(2, 8, dropouts=0.1)  # wrong: dropouts
layers.Flatten(input_shap=(3,))  # wrong: input_shap
layers.Reshape(target=(3,))  # wrong: target
layers.RandomFlip(mod="horizontal")  # wrong: mod
layers.TextVectorization(max_token=100)  # wrong: max_token
layers.Normalization(axes=1)  # wrong: axes
pyseq.Input(shape=8)  # wrong: shape
pyseq.Input(shap=(8,))  # wrong: shap

# Attributes.
dense = layers.Dense(10)
dense.unit  # wrong: unit
dense.get_weigths()  # wrong: get_weigths
dense.trainble = False  # wrong: trainble

# Models.
model = pyseq.Sequential([pyseq.Input((8,)), dense])
pyseq.Sequential(dense)  # wrong: Dense
pyseq.Sequential([layers.Dense(1), "relu"])  # wrong: str
pyseq.Sequential([layers.Dense(1)], nam="a")  # wrong: nam
model.add("dense")  # wrong: KerasTensor
model.add(layers.Dense)  # wrong: Dense
model.compile(optimizer=0.01)  # wrong: optimizer
model.compile(optimiser="adam")  # wrong: optimiser
model.compile("adam", los="mse")  # wrong: los
model.compile("adam", loss=3)  # wrong: loss
model.compile("adam", "mse", metric=["mae"])  # wrong: metric
model.compile("adam", "mse", metrics=[3])  # wrong: int
x, y = np.zeros((4, 8)), np.zeros((4, 10))
model.fit(x, y, epoch=3)  # wrong: epoch
model.fit(x, y, epochs="3")  # wrong: epochs
model.fit(x, y, batch_size=32.5)  # wrong: batch_size
model.fit(x, y, batchsize=32)  # wrong: batchsize
model.fit(x, y, verbose="silent")  # wrong: verbose
model.fit(x, y, callbacks=["early"])  # wrong: str
model.fit(x, y, callbacks=callbacks.EarlyStopping)  # wrong: callbacks
model.fit(x, y, validation_split="0.2")  # wrong: validation_split
model.fit(x, y, class_weights={0: 1.0})  # wrong: class_weights
model.evaluate(x, y, batchsize=3)  # wrong: batchsize
model.predict(x, verbos=0)  # wrong: verbos
model.predict(x, batch_size="3")  # wrong: batch_size
model.sumary()  # wrong: sumary
model.summary(show_flop=True)  # wrong: show_flop
model.save("a.keras", overwite=True)  # wrong: overwite
model.get_layer(index="1")  # wrong: index
history = model.fit(x, y)
history.histroy  # wrong: histroy

# Losses, metrics, optimizers, schedules.
losses.BinaryCrossentropy(from_logit=True)  # wrong: from_logit
losses.BinaryCrossentropy(from_logits="yes")  # wrong: from_logits
losses.Huber(delta="1")  # wrong: delta
losses.MeanSquaredError(reduction="avg")  # wrong: reduction
losses.mean_squared_error(y, y_prediction=y)  # wrong: y_prediction
metrics.AUC(num_threshold=10)  # wrong: num_threshold
metrics.TopKCategoricalAccuracy(k="5")  # wrong: k
optimizers.Adam(lr=0.1)  # wrong: lr
optimizers.Adam("0.1")  # wrong: float
optimizers.Adam(0.1, beta1=0.9)  # wrong: beta1
optimizers.Adam(0.1, clipnorm="1")  # wrong: clipnorm
optimizers.SGD(0.1, momentums=0.9)  # wrong: momentums
optimizers.SGD(0.1, nesterov="yes")  # wrong: nesterov
optimizers.Adam().learning_rates_  # wrong: learning_rates_
optimizers.schedules.ExponentialDecay(0.1, 10)  # wrong: decay_rate
optimizers.schedules.ExponentialDecay(0.1, 10, 0.9, staircases=True)  # wrong: staircases

# What is returned.
model.check().eror  # wrong: eror
model.profile(x).rows_  # wrong: rows_
model.input_shape.ndim  # wrong: ndim
history.plot().savefigure("a.png")  # wrong: savefigure
initializers.HeNormal()((2, 3)).size_  # wrong: size_
initializers.HeNormal().clone().sed  # wrong: sed
optimizers.schedules.CosineDecay(0.1, 10)(1).item()  # wrong: item
pyseq.config.list_devices().names  # wrong: names
pyseq.config.dtype_policy().nmae  # wrong: nmae
pyseq.config.max_epochs() + 1  # wrong: None
pyseq.random.SeedGenerator(1).next().seed  # wrong: seed
pyseq.losses.serialize(losses.Huber()).config  # wrong: config

# The rest.
callbacks.EarlyStopping(patient=3)  # wrong: patient
callbacks.EarlyStopping(patience="3")  # wrong: patience
callbacks.ModelCheckpoint("a.keras", save_best=True)  # wrong: save_best
callbacks.ReduceLROnPlateau(factors=0.1)  # wrong: factors
callbacks.LivePlot(every="2")  # wrong: every
callbacks.LivePlot(path="a.png")  # wrong: path
initializers.RandomNormal(std=0.1)  # wrong: std
regularizers.L2(l3=0.1)  # wrong: l3
constraints.MaxNorm(max=2)  # wrong: max
ops.softmax([1.0], axes=0)  # wrong: axes
ops.sum([1.0], axis="0")  # wrong: axis
ops.arange(3, dtyp="int32")  # wrong: dtyp
ops.image.resize(x, (2, 2), interpolate="nearest")  # wrong: interpolate
ops.convert_to_tensor(x, dtypes="int32")  # wrong: dtypes
pyseq.activations.relu(x, slope=0.1)  # wrong: slope
pyseq.random.normal((2, 3), std=1.0)  # wrong: std
pyseq.config.set_floatx(dtype="float32")  # wrong: dtype
pyseq.config.set_floatx(32)  # wrong: str
utils.to_categorical([1], classes=3)  # wrong: classes
utils.set_random_seed("1")  # wrong: int
utils.pad_sequences([[1]], max_len=3)  # wrong: max_len
saving.load_model("a.keras", safe=False)  # wrong: safe
pyseq.models.clone_model(model, layers=[])  # wrong: layers
datasets.imdb.load_data(num_word=100)  # wrong: num_word
visualize.learning_curves(history, metric="loss")  # wrong: metric
visualize.confusion_matrix(y, y, normalize="rows")  # wrong: normalize
visualize.predictions(y, y, kind="line")  # wrong: kind
visualize.saliency(model, x[0], target="0")  # wrong: target
visualize.filters("conv")  # wrong: Layer
