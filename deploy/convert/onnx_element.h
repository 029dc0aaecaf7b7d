/* The types of a tensor's elements, as ONNX numbers them (TensorProto.DataType): those of them that
 * are read, or cast to. */
#ifndef DEPLOY_CONVERT_ONNX_ELEMENT_H
#define DEPLOY_CONVERT_ONNX_ELEMENT_H

enum onnx_element {
    ONNX_ELEMENT_FLOAT = 1,
    ONNX_ELEMENT_UINT8 = 2,
    ONNX_ELEMENT_INT8 = 3,
    ONNX_ELEMENT_INT32 = 6,
    ONNX_ELEMENT_INT64 = 7,
    ONNX_ELEMENT_BOOL = 9,
    ONNX_ELEMENT_FLOAT16 = 10,
    ONNX_ELEMENT_DOUBLE = 11,
    ONNX_ELEMENT_BFLOAT16 = 16,
};

#endif
