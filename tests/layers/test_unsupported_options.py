"""What layers of Keras can do and those here cannot: the message says what to do."""

import pytest

from pyseq import layers


@pytest.mark.parametrize("layer", [
    layers.Dense(3, name="a"),
    layers.EinsumDense("ab,bc->ac", 3, name="a"),
    layers.Embedding(4, 3, name="a"),
    layers.Conv2D(3, 2, name="a"),
])
def test_adapters_of_low_rank(layer):
    with pytest.raises(ValueError, match="a.enable_lora: .*rank=4.*trainable = False"):
        layer.enable_lora(4)
