"""Declaration of options: fields, ranges, sizes, and the options at the top level."""
