"""How options are declared: fields, ranges, sizes, options of model families."""
