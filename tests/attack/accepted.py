"""Why each variant that is accepted may be: the table that every accepted case has to be in.

A variant is listed only if some of its cases are harmless. What must be refused whatever the seed is not listed.
"""

from __future__ import annotations

_UNREAD = "the change is in an attribute, a key or a byte that has no effect on a YOLOv5"
_OTHER_STAGE = "the option belongs to a stage or part that the plan does not contain, where it has no effect"
_SURROUNDINGS = "the command does not depend on it, or has a documented default instead"

REASONS: dict[str, str] = {
    "pickles/official-with-odd-attribute": _UNREAD,
    "pickles/official-that-explodes": "what explodes is not walked, copied or printed: it is not read",
    "pickles/mutated-pickle": _UNREAD,
    "pickles/mutated-file": _UNREAD,
    "safetensors/tensor": "safetensors ignores further keys of a tensor",
    "safetensors/other-shape": "a square tensor that is turned has the shape that it had",
    "safetensors/values": "finite noise in the weights is a network like any other; NaN and infinity are refused",
    "safetensors/metadata": _UNREAD,
    "safetensors/counts": "anchors are finite numbers above 0 of any size; facts repeat the description of the network",
    "safetensors/mutated": "a digit of an anchor or a letter of a name is another one",
    "sidecars/edited": "the edit gave a value that was there before, e.g. an empty list for an empty list",
    "sidecars/edited-and-signed": "the digest is not a signature: anyone can write one for values in range",
    "sidecars/facts": "the digest is not a signature: anyone can write one for values in range",
    "sidecars/facts-again": "the digest is not a signature: anyone can write one for values in range",
    "sidecars/other-kind": "the sidecar is that of the file itself in one case of three",
    "sidecars/no-json": "the same JSON with a mark of its encoding, or in UTF-16, is JSON",
    "sidecars/mutated": "white space between the values changed",
    "onnx/stride": "the stride of the file in another spelling, e.g. with white space or a fraction that is dropped",
    "onnx/names": "two names of any text are names",
    "onnx/ours": "a value in range: a name, an anchor, or one that is the former",
    "onnx/properties": "further metadata, and metadata that are missing in a file whose outputs say enough",
    "onnx/loop": "load reads facts, it does not open the graph; an order of nodes that is valid too",
    "onnx/endless": "load, quantize and graft read or rewrite the graph and do not run it",
    "onnx/operator": "load does not open the graph; an attribute that the operator does not have is ignored",
    "onnx/opset": "load does not open the graph; a neighbouring opset means the same for these operators",
    "onnx/shapes": "the name of a dynamic axis, or a size that the graph does not depend on",
    "onnx/graph": "load does not open the graph; a constant that is unused or doubled changes nothing",
    "onnx/tensor": "load does not open the graph; weights may be any finite numbers",
    "onnx/half": "a float16 file is one that other tools write",
    "onnx/mutated": _UNREAD,
    "tables/header": "a header that names this model, or any other with calibrate.trust_cache=true",
    "tables/scale": "scales that are finite and not negative are scales",
    "tables/line": "a tensor that the model does not have, which is said; hexadecimal digits of either case",
    "tables/many": "tensors that the model does not have, which is said; lines that repeat others",
    "tables/bytes": "line ends of Windows are line ends; a mark of UTF-8 with calibrate.trust_cache=true",
    "tables/truncated": "the end of a line more or less; tensors without a scale stay float, which is said",
    "tables/mutated": "a digit of a scale, or the name of a tensor, is another one",
    "tables/stored": "a result in the store that was damaged is made again",
    "yaml/scalar-for-key": "a scalar that YAML reads as what the key takes, e.g. nc: 0b1, or as nothing: val: null",
    "yaml/scalar-in-names": "a scalar that YAML reads as a text or number is a class name",
    "yaml/value-for-key": "keys that nothing reads, or null for a key that may be left out",
    "yaml/laughs": "an alias in a key that nothing reads: it is shared, not copied",
    "yaml/merges": "few enough merges: the keys that they give are not read",
    "yaml/loops": "a list that contains itself in a key that nothing reads",
    "yaml/deep": "nesting within the limit, in a key that nothing reads",
    "yaml/tags": "a tag of the YAML specification in a key that nothing reads",
    "yaml/names": "class names may be any text; paths in them never become paths (tests/test_outputs_stay_inside.py)",
    "yaml/paths": "the path means the folder of the images, or the one next to the data.yaml",
    "yaml/bytes": "a mark of UTF-8, other line ends, a comment, a document mark and a YAML version are YAML",
    "yaml/duplicates": "PyYAML takes the last of two equal keys, and that one is valid",
    "yaml/mutated": "a letter of a class name, or white space, is another one",
    "labels/row": "another spelling of the same numbers; bad=skip leaves the image out",
    "labels/class": "another spelling of the same number; bad=skip leaves the image out",
    "labels/box": "boxes on the edges are boxes; bad=skip leaves the image out",
    "labels/columns": "bad=skip leaves the image out",
    "labels/blanks": "white space of Unicode separates values; bad=skip leaves the image out",
    "labels/many": "any number of rows; repeated rows are dropped, which is said",
    "labels/bytes": "no rows, other line ends and a mark of UTF-8 are right; bad=skip leaves the image out",
    "labels/places": "an image whose label file is missing counts as background, which is said",
    "labels/mutated": "another number in range; bad=skip leaves the image out",
    "lists/entry": "comments, white space, other line ends and entries that repeat others are allowed",
    "lists/bytes": "entries that repeat others, a mark of UTF-8 and blank lines are allowed",
    "lists/mutated": "an entry less, or one that repeats another",
    "lists/names": "every name that a file can have",
    "lists/glob": "a pattern that matches images",
    "lists/hydra-list": "a list of images that exist; one image twice is one image",
    "lists/places": "entries that are no regular files are left out, which is said",
    "lists/annotations": "a value that converts, or convert.missing=skip",
    "lists/voc": "an annotation without objects",
    "images/truncated": "on_error=auto leaves out up to 5 % of the images, but always one, skip any number; it is said",
    "images/mutated": "as truncated; or the damage changes no more than the pixels",
    "images/wrong-suffix": "the content counts, not the suffix",
    "images/png-bomb": "as truncated; small sizes are images",
    "images/header-bomb": "as truncated: the image is left out",
    "images/sizes": "images of extreme shapes are images",
    "images/modes": "every mode becomes three channels of 8 bits (docs/sources.md)",
    "images/metadata": "EXIF that cannot be read is ignored",
    "images/text": "as truncated: the image is left out",
    "images/places": "as truncated; a folder of the name is a folder",
    "videos/truncated": "the frames before the end, which is said",
    "videos/mutated": "damaged frames are left out or concealed, which is said",
    "videos/wrong-suffix": "the content counts, not the suffix",
    "videos/headers": "FFmpeg does not depend on that field",
    "videos/damaged": "damaged frames are left out or concealed, which is said",
    "videos/frames": "a video of one frame is a video",
    "videos/text": "on_error=auto leaves one video out, skip any number, where another is left",
    "videos/places": "on_error=auto leaves one video out, skip any number, where another is left",
    "words/override": _OTHER_STAGE,
    "words/flags": "--help, --version, --hydra-help, --cfg and --info print and end",
    "words/odd-path": _OTHER_STAGE,
    "words/existing-path": "a path that exists works as the shell hands it over",
    "words/existing-path-in-a-sweep": "a path that exists works as the shell hands it over",
    "words/wrong-type": "a value that the option has a meaning for, e.g. null, or one of the wrong stage",
    "words/two-wrong-types": "a value that the option has a meaning for, e.g. null, or one of the wrong stage",
    "words/any-words": "--help or --version among the words",
    "words/bytes": _OTHER_STAGE,
    "words/many": "the last of many equal options counts, as everywhere in Hydra; a stage named twice runs twice",
    "words/sweep": "a sweep of values that exist",
}
"""``kind/variant`` -> why exit code 0 is right."""


def _environments() -> dict[str, str]:
    """The surroundings that a command works in all the same; all but the closed and missing ones."""
    refused = {
        "no-home-and-no-user",
        "home-is-a-file",
        "hookline-home-of-nobody",
        "hookline-home-is-a-file",
        "no-file-size",
    }
    from tests.attack.environments import VARIANTS

    return {f"environments/{name}": _SURROUNDINGS for name in VARIANTS if name not in refused}


REASONS |= _environments()
