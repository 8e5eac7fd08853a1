Bcolumnss1_hJÔi¾¼=¼>û
Ç=d">