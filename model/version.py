"""The version of app and model."""

VERSION = "0.7.0"
