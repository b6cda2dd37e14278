"""Recurrent layers, their cells, and the wrappers around them."""

from pyseq.layers.rnn.base import RNN
from pyseq.layers.rnn.bidirectional import Bidirectional
from pyseq.layers.rnn.cells import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from pyseq.layers.rnn.recurrent import GRU, LSTM, SimpleRNN
from pyseq.layers.rnn.time_distributed import TimeDistributed

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
    "TimeDistributed",
]
