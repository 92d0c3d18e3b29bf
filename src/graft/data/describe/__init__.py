"""What the rows, texts, labels and columns of a data set are like."""
