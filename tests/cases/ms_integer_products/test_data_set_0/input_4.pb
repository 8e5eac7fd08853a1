BascaleJ
ף<