complete --keep-order --exclusive --command npcheck --arguments "(NPCHECK_COMPLETE=fish npcheck -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
