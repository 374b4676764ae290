"""What tests of several rooms build their inputs with."""
