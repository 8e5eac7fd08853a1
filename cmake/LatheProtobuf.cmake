# protobuf-c code for frontend/onnx.proto, generated into the build folder.
find_program(LATHE_PROTOC NAMES protoc-c REQUIRED)
set(LATHE_ONNX_PB_SOURCE ${CMAKE_BINARY_DIR}/frontend/onnx.pb-c.c)
add_custom_command(
  OUTPUT ${LATHE_ONNX_PB_SOURCE} ${CMAKE_BINARY_DIR}/frontend/onnx.pb-c.h
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/frontend
  COMMAND ${LATHE_PROTOC} --c_out=${CMAKE_BINARY_DIR} --proto_path=${CMAKE_SOURCE_DIR} frontend/onnx.proto
  DEPENDS ${CMAKE_SOURCE_DIR}/frontend/onnx.proto VERBATIM)
set_source_files_properties(${LATHE_ONNX_PB_SOURCE} PROPERTIES COMPILE_OPTIONS "-w")
add_library(LatheProtobuf INTERFACE)
target_link_libraries(LatheProtobuf INTERFACE protobuf-c)
