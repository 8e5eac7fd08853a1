B
ReduceProdJ/1A–ZNBå•iA