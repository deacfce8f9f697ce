def run(config, bench, rows, board):
    pass
