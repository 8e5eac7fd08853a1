Bi8_rows_codesJ€
