"""Training data: prepared cases, patches, augmentation, folds."""
