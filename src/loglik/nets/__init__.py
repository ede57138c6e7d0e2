"""Networks: plain, masked and convolutional. They know tensors, not likelihoods."""
