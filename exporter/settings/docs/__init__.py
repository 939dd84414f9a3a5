"""The files in docs/ that are written from the models: configuration.md, config.example.yaml, config.schema.json."""
