B
normalizedJ$b»q¿AõX@‚Ø¿*z?ø¶ø”Ö&?.0?¿e5?9o¿