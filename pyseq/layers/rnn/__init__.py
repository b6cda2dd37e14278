"""Recurrent layers, their cells, and the wrappers around them."""

from pyseq.layers.rnn.base import RNN
from pyseq.layers.rnn.bidirectional import Bidirectional
from pyseq.layers.rnn.cells import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from pyseq.layers.rnn.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from pyseq.layers.rnn.recurrent import GRU, LSTM, SimpleRNN
from pyseq.layers.rnn.time_distributed import TimeDistributed

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
    "TimeDistributed",
]
