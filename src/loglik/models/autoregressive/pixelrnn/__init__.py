"""Row LSTM and Diagonal BiLSTM: the two PixelRNNs."""
