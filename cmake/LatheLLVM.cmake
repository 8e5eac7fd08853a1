# LLVM 19 through its C API: headers and one shared library, found by llvm-config-19.
find_program(LATHE_LLVM_CONFIG NAMES llvm-config-19 HINTS /usr/lib/llvm-19/bin REQUIRED)
foreach(item IN ITEMS includedir libdir version)
  execute_process(COMMAND ${LATHE_LLVM_CONFIG} --${item}
    OUTPUT_VARIABLE LATHE_LLVM_${item} OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endforeach()
if(NOT LATHE_LLVM_version MATCHES "^19\\.")
  message(FATAL_ERROR "lathe needs LLVM 19, found ${LATHE_LLVM_version}")
endif()
add_library(LatheLLVM INTERFACE)
target_include_directories(LatheLLVM SYSTEM INTERFACE ${LATHE_LLVM_includedir})
target_link_directories(LatheLLVM INTERFACE ${LATHE_LLVM_libdir})
target_link_libraries(LatheLLVM INTERFACE LLVM-19)
