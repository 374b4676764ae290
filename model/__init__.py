"""What serving and training share: scans, geometry, preprocessing, networks, the trained model."""
