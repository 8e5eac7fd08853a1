Bsv_4tJq=
?