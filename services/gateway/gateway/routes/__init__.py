"""The addresses, a file for each service behind them."""
