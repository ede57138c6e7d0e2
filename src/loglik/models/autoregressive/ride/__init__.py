"""RIDE: a spatial LSTM with a mixture of conditional Gaussian scale mixtures."""
