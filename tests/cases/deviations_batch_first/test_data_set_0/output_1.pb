	B
RNN_same_hJ