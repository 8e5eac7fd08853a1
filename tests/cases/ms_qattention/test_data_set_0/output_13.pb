B
no_zeros_uJ`/ьAКАAL`Aд–uAВыAФАAM`Aе–uAKьAИАAL`Aд–uAхєAm≈yA.РpAв}AхєAm≈yA.РpAв}AхєAm≈yA.РpAв}A