B
ScaledTanhJDÍÉ¾[ðÆ½ÿmð=¨¤P>8Ó+¾g{:=