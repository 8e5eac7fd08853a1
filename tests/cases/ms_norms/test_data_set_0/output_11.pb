Bmatrix0J0qÀæ&@˜a÷½k-?T/
¿f‡¿Vb‚?à«>AJ	@J¨?%Ãc>%0‹¿