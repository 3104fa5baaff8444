"""``YoloLayer_TRT`` without operators whose output shape depends on the data, for runtimes without such operators.

Each cell keeps its row: N rows ordered by image, level, anchor, y, x. Rows of cells below the threshold are zero, so
``DecodeNumDetection`` is the number of valid rows, not the index of the last one. The set of rows with a score above
zero equals that of :mod:`backends.graphsurgeon.decode`.
"""

from __future__ import annotations

from string import Template

# Tensors named *_<level> belong to one level.
FUNCTION = Template(
    """
<domain: "$domain", opset_import: ["" : $opset]>
$operator <$attributes> ($heads) => ($outputs)
{
    zero = Constant <value = int64 {0}> ()
    one = Constant <value = int64 {1}> ()
    at_1 = Constant <value = int64[1] {1}> ()
    at_2 = Constant <value = int64[1] {2}> ()
    at_3_2 = Constant <value = int64[2] {3, 2}> ()
    at_2_3 = Constant <value = int64[2] {2, 3}> ()
    height_axis = Constant <value = int64 {2}> ()
    width_axis = Constant <value = int64 {3}> ()
    row = Constant <value = int64[2] {1, -1}> ()
    same = Constant <value = int64[1] {0}> ()
    flat = Constant <value = int64[1] {-1}> ()
    list_shape = Constant <value = int64[2] {0, -1}> ()
    boxes_shape = Constant <value = int64[3] {0, -1, 4}> ()
    stride_shape = Constant <value = int64[2] {2, 1}> ()
    box_parts = Constant <value = int64[3] {2, 2, 1}> ()
    five = Constant <value = int64[1] {5}> ()
    anchor_table_shape = Constant <value = int64[4] {$levels, -1, 2, 1}> ()
    half = Constant <value = float {0.5}> ()
    two = Constant <value = float {2.0}> ()
    nothing = Constant <value = float {0.0}> ()
    no_class = Constant <value = int32 {0}> ()

    threshold = Constant <value_float: float = @prenms_score_threshold> ()
    anchor_list = Constant <value_floats: floats = @anchors> ()
    anchor_table = Reshape (anchor_list, anchor_table_shape)
    num_classes_ = Constant <value_int: int = @num_classes> ()
    classes = Reshape (num_classes_, flat)
    channels = Add (classes, five)
    columns = Concat <axis = 0> (box_parts, classes)
    anchor_table_size = Shape (anchor_table)
    anchors_per_level = Gather <axis = 0> (anchor_table_size, at_1)
    planes_shape = Concat <axis = 0> (same, anchors_per_level, channels, flat)
    max_stride_ = Constant <value_int: int = @max_stride> ()
    max_stride = Cast <to = 1> (max_stride_)
$body
    boxes = Concat <axis = 1> ($boxes)
    objectness = Concat <axis = 1> ($objectness)
    best_score = Concat <axis = 1> ($best_score)
    best_class = Concat <axis = 1> ($best_class)

    keep = GreaterOrEqual (objectness, threshold)
    kept = Cast <to = 6> (keep)
    keep_box = Unsqueeze (keep, at_2)
    score = Mul (objectness, best_score)
    class_numbers = Cast <to = 6> (best_class)
    $NUM = ReduceSum <keepdims = 1> (kept, at_1)
    $BOXES = Where (keep_box, boxes, nothing)
    $SCORES = Where (keep, score, nothing)
    $CLASSES = Where (keep, class_numbers, no_class)
}
"""
)

# A head is [B, A*(5+nc), H, W]. The ratio of two levels is a power of two, so strides are exact.
LEVEL = Template(
    """
    level_$i = Constant <value = int64 {$i}> ()
    head_$i = Reshape ($head, planes_shape)
    centre_part_$i, size_part_$i, objectness_part_$i, class_part_$i = Split <axis = 2> (head_$i, columns)
    best_$i, first_best_$i = TopK <axis = 2, largest = 1, sorted = 1> (class_part_$i, at_1)
    objectness_$i = Reshape (objectness_part_$i, list_shape)
    best_score_$i = Reshape (best_$i, list_shape)
    best_class_$i = Reshape (first_best_$i, list_shape)

    shape_$i = Shape ($head)
    size_$i = Gather <axis = 0> (shape_$i, at_3_2)
    across_$i = Cast <to = 1> (size_$i)
    share_$i = Div (across_$last_level, across_$i)
    stride_pair_$i = Mul (share_$i, max_stride)
    stride_$i = Reshape (stride_pair_$i, stride_shape)
    columns_$i = Gather <axis = 0> (shape_$i, width_axis)
    rows_$i = Gather <axis = 0> (shape_$i, height_axis)
    x_$i = Range (zero, columns_$i, one)
    y_$i = Range (zero, rows_$i, one)
    y_column_$i = Unsqueeze (y_$i, at_1)
    plane_$i = Gather <axis = 0> (shape_$i, at_2_3)
    x_plane_$i = Expand (x_$i, plane_$i)
    y_plane_$i = Expand (y_column_$i, plane_$i)
    x_row_$i = Reshape (x_plane_$i, row)
    y_row_$i = Reshape (y_plane_$i, row)
    xy_$i = Concat <axis = 0> (x_row_$i, y_row_$i)
    grid_$i = Cast <to = 1> (xy_$i)
    anchors_$i = Gather <axis = 0> (anchor_table, level_$i)

    centre_doubled_$i = Mul (centre_part_$i, two)
    centre_shifted_$i = Sub (centre_doubled_$i, half)
    centre_cells_$i = Add (centre_shifted_$i, grid_$i)
    centre_$i = Mul (centre_cells_$i, stride_$i)
    size_doubled_$i = Mul (size_part_$i, two)
    size_squared_$i = Mul (size_doubled_$i, size_doubled_$i)
    box_size_$i = Mul (size_squared_$i, anchors_$i)
    half_size_$i = Mul (box_size_$i, half)
    low_corner_$i = Sub (centre_$i, half_size_$i)
    high_corner_$i = Add (centre_$i, half_size_$i)
    corners_$i = Concat <axis = 2> (low_corner_$i, high_corner_$i)
    corner_rows_$i = Transpose <perm = [0, 1, 3, 2]> (corners_$i)
    boxes_$i = Reshape (corner_rows_$i, boxes_shape)
"""
)
JOINED = ("boxes", "objectness", "best_score", "best_class")
DENSE = (FUNCTION, LEVEL, JOINED)
