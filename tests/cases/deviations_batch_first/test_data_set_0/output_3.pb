	B
GRU_same_hJ