# lathe_add_model(NAME bert MODEL bert.onnx
#                 [STATIC]               an archive and the shared runtime instead of libbert.so
#                 [WEIGHTS file|embed]   bert.weights beside the library (default), or in it
#                 [PRECISION f32|...]    if the compiler has that option
#                 [TARGETS x86-64-v3 ...]  instruction sets that the library holds code for, of one
#                                        architecture; the best that the processor has is run
#                                        (default: the building machine's, or the baseline of the
#                                        processor that the project is built for)
#                 [DIM batch=1 ...]      sizes to fix
#                 [CUSTOM DOMAIN:OP=FUNCTION[:INPUT,...] ...]   operators of the app
#                 [LEVEL 0|2]
#                 [DEPENDS FILE...])     what else the model is to be compiled again for
# makes a library target `bert`: link with it and include "bert.h". The model is compiled again when
# its file, a file of external data that it refers to, or the compiler changes. Everything is written
# to the current binary directory.
#
# lathe_install_model(bert [DESTINATION lib])
# installs the shared library and, beside it, where it is looked for, its weight file.
cmake_policy(PUSH)
cmake_policy(VERSION 3.20)      # CMP0116: paths in depfiles

# Sets TARGETS for the processor that the project is built for, unless it is this machine's.
function(lathe_default_target variable)
  if(NOT CMAKE_CROSSCOMPILING)
    set(target "")
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(target aarch64)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    set(target x86-64)
  else()
    message(FATAL_ERROR "lathe_add_model: lathe does not compile for '${CMAKE_SYSTEM_PROCESSOR}'")
  endif()
  set(${variable} "${target}" PARENT_SCOPE)
endfunction()

# Stops unless `lathe compile` knows the option.
function(lathe_need_option option argument)
  execute_process(COMMAND ${LATHE_COMMAND} compile --help OUTPUT_VARIABLE help ERROR_VARIABLE help)
  if(NOT help MATCHES "${option}[ =]")
    message(FATAL_ERROR "lathe_add_model: ${argument} is not supported by this lathe (no option ${option})")
  endif()
endfunction()

function(lathe_add_model)
  cmake_parse_arguments(PARSE_ARGV 0 arg "STATIC" "NAME;MODEL;WEIGHTS;LEVEL;PRECISION" "DIM;CUSTOM;DEPENDS;TARGETS")
  if(NOT arg_NAME OR NOT arg_MODEL OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "lathe_add_model needs NAME and MODEL; not understood: '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT arg_WEIGHTS)
    set(arg_WEIGHTS file)
  endif()
  if(NOT arg_TARGETS)
    lathe_default_target(arg_TARGETS)
  endif()

  set(kind SHARED)
  set(emit so)
  if(arg_STATIC)
    set(kind STATIC)
    set(emit a)
  endif()
  set(dir ${CMAKE_CURRENT_BINARY_DIR})
  set(library ${dir}/lib${arg_NAME}.${emit})
  set(weights ${dir}/${arg_NAME}.weights)
  get_filename_component(model ${arg_MODEL} ABSOLUTE)
  list(TRANSFORM arg_DIM PREPEND --dim=)
  list(TRANSFORM arg_CUSTOM PREPEND --custom=)
  set(command $<TARGET_FILE:lathe::command> compile --quiet ${model} --name=${arg_NAME} --emit=${emit}
    --weights=${arg_WEIGHTS} ${arg_DIM} ${arg_CUSTOM} --depfile=${dir}/${arg_NAME}.d -o ${library})
  if(arg_TARGETS)
    list(JOIN arg_TARGETS "," targets)
    list(APPEND command --target=${targets})
  endif()
  if(DEFINED arg_LEVEL)
    list(APPEND command --level=${arg_LEVEL})
  endif()
  if(arg_PRECISION)
    lathe_need_option(--precision PRECISION)
    list(APPEND command --precision=${arg_PRECISION})
  endif()
  set(outputs ${library} ${dir}/${arg_NAME}.h)
  if(arg_WEIGHTS STREQUAL file)
    # A model without constants has no weight file; touch keeps it from being compiled every time.
    list(APPEND outputs ${weights})
    set(touch COMMAND ${CMAKE_COMMAND} -E touch ${weights})
  endif()
  add_custom_command(OUTPUT ${outputs} COMMAND ${command} ${touch}
    DEPENDS ${model} ${arg_DEPENDS} ${LATHE_COMMAND} DEPFILE ${dir}/${arg_NAME}.d COMMENT "Compiling model ${arg_NAME}" VERBATIM)
  add_custom_target(${arg_NAME}_model DEPENDS ${outputs})

  add_library(${arg_NAME} ${kind} IMPORTED GLOBAL)
  add_dependencies(${arg_NAME} ${arg_NAME}_model)
  set_target_properties(${arg_NAME} PROPERTIES IMPORTED_LOCATION ${library}
    INTERFACE_INCLUDE_DIRECTORIES "${dir};${LATHE_INCLUDE_DIR}")
  if(arg_STATIC)
    target_link_libraries(${arg_NAME} INTERFACE lathe::runtime)
  else()
    set_target_properties(${arg_NAME} PROPERTIES IMPORTED_SONAME lib${arg_NAME}.so)
  endif()
  if(arg_WEIGHTS STREQUAL file)
    set_target_properties(${arg_NAME} PROPERTIES LATHE_WEIGHTS ${weights})
  endif()
endfunction()

function(lathe_install_model name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "DESTINATION" "")
  if(NOT arg_DESTINATION)
    set(arg_DESTINATION lib)
  endif()
  get_target_property(library ${name} IMPORTED_LOCATION)
  get_target_property(weights ${name} LATHE_WEIGHTS)
  install(FILES ${library} DESTINATION ${arg_DESTINATION})
  if(weights)
    install(FILES ${weights} DESTINATION ${arg_DESTINATION})
  endif()
endfunction()

cmake_policy(POP)
