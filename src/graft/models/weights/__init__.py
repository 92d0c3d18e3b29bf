"""Files of weights: one module per format, all read alike (`file.WeightsFile`)."""
