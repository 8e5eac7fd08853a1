B
s_max_lastJ$ќЗvюFтьi[їEх"3|dњ±жtt=[UHapAЖ~