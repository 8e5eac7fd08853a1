BbatchesJ`бучBллA3Ё█B
w│Bвц╧бвЦjбGa∙BGa≤алЛЮб)°б33ёA╓pxаб╣IBЖxцллл@\Odбвc{B≥y┘BАzOбp╫Уа≥╧┌б)эцабu╠б╓0Eб