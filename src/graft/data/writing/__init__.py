"""Writing data sets: folders with a card, files of rows, uploads."""
