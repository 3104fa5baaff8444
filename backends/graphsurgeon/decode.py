"""``YoloLayer_TRT`` in standard operators, as a model-local function.

Cells below the threshold are dropped before the others are gathered, so the cost of the decode step hardly depends on
the number of classes. Rows are ordered by image, level, anchor, y, x without gaps, as in the NumPy twin
:func:`cuda_plugins.yolo_layer.yolo_layer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Template

import onnx
from onnx import parser

from backends.graphsurgeon.dense_decode import DENSE
from cuda_plugins import signature

# n: number of kept cells of all images of the batch; tensors named *_<level> belong to one level.
# ArgMax and not TopK: ONNX Runtime 1.23, the last release for Python 3.10, crashes in TopK of an empty tensor.
FUNCTION = Template(
    """
<domain: "$domain", opset_import: ["" : $opset]>
$operator <$attributes> ($heads) => ($outputs)
{
    zero = Constant <value = int64 {0}> ()
    one = Constant <value = int64 {1}> ()
    objectness_plane = Constant <value = int64 {4}> ()
    at_0 = Constant <value = int64[1] {0}> ()
    at_1 = Constant <value = int64[1] {1}> ()
    at_2 = Constant <value = int64[1] {2}> ()
    at_3 = Constant <value = int64[1] {3}> ()
    at_1_2 = Constant <value = int64[2] {1, 2}> ()
    same = Constant <value = int64[1] {0}> ()
    flat = Constant <value = int64[1] {-1}> ()
    column = Constant <value = int64[2] {-1, 1}> ()
    singly = Constant <value = int64[3] {1, 1, 1}> ()
    four = Constant <value = int64[1] {4}> ()
    five = Constant <value = int64[1] {5}> ()
    box_parts = Constant <value = int64[3] {2, 2, 1}> ()
    by_level = Constant <value = int64[2] {$levels, -1}> ()
    by_level_and_anchor = Constant <value = int64[3] {$levels, -1, 2}> ()
    half = Constant <value = float {0.5}> ()
    two = Constant <value = float {2.0}> ()

    threshold = Constant <value_float: float = @prenms_score_threshold> ()
    anchor_list = Constant <value_floats: floats = @anchors> ()
    anchor_table = Reshape (anchor_list, by_level_and_anchor)
    num_classes_ = Constant <value_int: int = @num_classes> ()
    classes = Reshape (num_classes_, flat)
    channels = Add (classes, five)
    channel_count = Squeeze (channels, at_0)
    channel_numbers = Range (zero, channel_count, one)
    max_stride_ = Constant <value_int: int = @max_stride> ()
    last_shape = Shape ($last)
    batch = Gather <axis = 0> (last_shape, at_0)
    last_height = Gather <axis = 0> (last_shape, at_2)
    last_width = Gather <axis = 0> (last_shape, at_3)
    last_size = Concat <axis = 0> (last_width, last_height)
    network_pixels = Mul (last_size, max_stride_)
    network = Cast <to = 1> (network_pixels)
$body
    rows = Concat <axis = 0> ($rows)
    grid = Concat <axis = 0> ($grid)
    stride = Concat <axis = 0> ($stride)
    anchor_size = Concat <axis = 0> ($anchor_size)
    image = Concat <axis = 0> ($image)
    group = Concat <axis = 0> ($group)

    columns = Concat <axis = 0> (box_parts, classes)
    centre_part, size_part, objectness, class_scores = Split <axis = 1> (rows, columns)
    best_class = ArgMax <axis = 1, keepdims = 1> (class_scores)
    best_score = GatherElements <axis = 1> (class_scores, best_class)
    score = Mul (objectness, best_score)
    centre_doubled = Mul (centre_part, two)
    centre_shifted = Sub (centre_doubled, half)
    centre_cells = Add (centre_shifted, grid)
    centre = Mul (centre_cells, stride)
    size_doubled = Mul (size_part, two)
    size_squared = Mul (size_doubled, size_doubled)
    size = Mul (size_squared, anchor_size)
    half_size = Mul (size, half)
    low_corner = Sub (centre, half_size)
    high_corner = Add (centre, half_size)
    boxes = Concat <axis = 1> (low_corner, high_corner)

    counts = Concat <axis = 0> ($count)
    first_row = CumSum <exclusive = 1> (counts, zero)
    count_table = Reshape (counts, by_level)
    first_slot_table = CumSum <exclusive = 1> (count_table, zero)
    first_slot = Reshape (first_slot_table, flat)
    shift = Sub (first_slot, first_row)
    total = ReduceSum <keepdims = 0> (counts, at_0)
    row_numbers = Range (zero, total, one)
    row_column = Reshape (row_numbers, column)
    row_shift = Gather <axis = 0> (shift, group)
    slot = Add (row_column, row_shift)
    target = Concat <axis = 1> (image, slot)

    capacities = Concat <axis = 0> ($capacity)
    capacity = ReduceSum <keepdims = 1> (capacities, at_0)
    list_shape = Concat <axis = 0> (batch, capacity)
    boxes_shape = Concat <axis = 0> (batch, capacity, four)
    no_boxes = ConstantOfShape <value = float[1] {0.0}> (boxes_shape)
    no_scores = ConstantOfShape <value = float[1] {0.0}> (list_shape)
    no_classes = ConstantOfShape <value = int32[1] {0}> (list_shape)
    score_list = Squeeze (score, at_1)
    class_list = Squeeze (best_class, at_1)
    class_numbers = Cast <to = 6> (class_list)
    image_counts = ReduceSum <keepdims = 0> (count_table, at_0)
    image_column = Reshape (image_counts, column)
    $NUM = Cast <to = 6> (image_column)
    $BOXES = ScatterND (no_boxes, target, boxes)
    $SCORES = ScatterND (no_scores, target, score_list)
    $CLASSES = ScatterND (no_classes, target, class_numbers)
}
"""
)

# A head is [B, A*(5+nc), H, W]; place is [n, 3]: image, anchor, cell = y * W + x.
LEVEL = Template(
    """
    level_$i = Constant <value = int64 {$i}> ()
    shape_$i = Shape ($head)
    planes_$i = Gather <axis = 0> (shape_$i, at_1)
    height_$i = Gather <axis = 0> (shape_$i, at_2)
    width_$i = Gather <axis = 0> (shape_$i, at_3)
    cells_$i = Mul (height_$i, width_$i)
    by_plane_$i = Concat <axis = 0> (same, flat, channels, cells_$i)
    head_$i = Reshape ($head, by_plane_$i)
    objectness_$i = Gather <axis = 2> (head_$i, objectness_plane)
    keep_$i = GreaterOrEqual (objectness_$i, threshold)
    ones_$i = Cast <to = 7> (keep_$i)
    count_$i = ReduceSum <keepdims = 0> (ones_$i, at_1_2)
    found_$i = NonZero (keep_$i)
    place_$i = Transpose <perm = [1, 0]> (found_$i)
    image_$i, anchor_$i, cell_$i = Split <axis = 1> (place_$i, singly)

    anchor_step_$i = Mul (channels, cells_$i)
    image_step_$i = Mul (planes_$i, cells_$i)
    to_image_$i = Mul (image_$i, image_step_$i)
    to_anchor_$i = Mul (anchor_$i, anchor_step_$i)
    to_channel_$i = Mul (channel_numbers, cells_$i)
    in_image_$i = Add (to_anchor_$i, cell_$i)
    first_$i = Add (to_image_$i, in_image_$i)
    index_$i = Add (first_$i, to_channel_$i)
    values_$i = Reshape ($head, flat)
    rows_$i = Gather <axis = 0> (values_$i, index_$i)

    x_$i = Mod (cell_$i, width_$i)
    y_$i = Div (cell_$i, width_$i)
    xy_$i = Concat <axis = 1> (x_$i, y_$i)
    grid_$i = Cast <to = 1> (xy_$i)
    size_pixels_$i = Concat <axis = 0> (width_$i, height_$i)
    size_$i = Cast <to = 1> (size_pixels_$i)
    level_stride_$i = Div (network, size_$i)
    grid_shape_$i = Shape (grid_$i)
    stride_$i = Expand (level_stride_$i, grid_shape_$i)
    level_anchors_$i = Gather <axis = 0> (anchor_table, level_$i)
    anchor_number_$i = Squeeze (anchor_$i, at_1)
    anchor_size_$i = Gather <axis = 0> (level_anchors_$i, anchor_number_$i)
    earlier_groups_$i = Mul (batch, level_$i)
    group_$i = Add (image_$i, earlier_groups_$i)
    anchors_$i = Div (planes_$i, channels)
    capacity_$i = Mul (anchors_$i, cells_$i)
"""
)
JOINED = ("rows", "grid", "stride", "anchor_size", "image", "group", "count", "capacity")
COMPACT = (FUNCTION, LEVEL, JOINED)


def decode_function(heads: Sequence[str], opset: int, domain: str, *, dense: bool = False) -> onnx.FunctionProto:
    """Return the function ``YoloLayer_TRT`` for heads of these names, small stride first.

    It gets the attributes of the operator from the calling node, and works for any batch, height and width. With
    ``dense`` each cell keeps its row (:mod:`backends.graphsurgeon.dense_decode`).
    """
    levels = range(len(heads))
    function, level, joined = DENSE if dense else COMPACT
    # The last level comes first: it gives the network size.
    bodies = [level.substitute(i=i, head=heads[i], last_level=levels[-1]) for i in reversed(levels)]
    text = function.substitute(
        {name: ", ".join(f"{name}_{i}" for i in levels) for name in joined},
        domain=domain,
        opset=opset,
        operator=signature.OPERATOR,
        attributes=", ".join(signature.ATTRIBUTES),
        heads=", ".join(heads),
        last=heads[-1],
        levels=len(heads),
        outputs=", ".join(signature.OUTPUTS),
        body="".join(bodies),
        NUM=signature.NUM,
        BOXES=signature.BOXES,
        SCORES=signature.SCORES,
        CLASSES=signature.CLASSES,
    )
    return parser.parse_function(text)
