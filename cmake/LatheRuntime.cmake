# The runtime archive, for the host and, where a cross compiler is there, for aarch64.
# Sections per function and hidden symbols, so that a program links only what its model calls. What
# every model brings along is built for size; files that loop over elements are built for speed.
file(GLOB LATHE_RUNTIME_SOURCES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.c)
file(GLOB LATHE_RUNTIME_FAST CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/ops_*.c)
list(APPEND LATHE_RUNTIME_FAST ${CMAKE_SOURCE_DIR}/runtime/hash.c ${CMAKE_SOURCE_DIR}/runtime/math.c)
set(LATHE_RUNTIME_FLAGS -fPIC -Os -ffunction-sections -fdata-sections -fvisibility=hidden)
set_source_files_properties(${LATHE_RUNTIME_FAST} PROPERTIES COMPILE_OPTIONS -O2)

set(LATHE_TRIPLE ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)

add_library(lathe_rt STATIC ${LATHE_RUNTIME_SOURCES})
target_include_directories(lathe_rt PUBLIC include PRIVATE ${CMAKE_SOURCE_DIR})
target_compile_options(lathe_rt PRIVATE ${LATHE_RUNTIME_FLAGS})
target_link_libraries(lathe_rt PUBLIC ${CMAKE_DL_LIBS} m)
install(TARGETS lathe_rt ARCHIVE DESTINATION lib/lathe/${LATHE_TRIPLE})

# The same as a shared library, for programs with many models, and as one file for any build.
if(NOT LATHE_SANITIZE)
  add_library(lathe_rt_shared SHARED ${LATHE_RUNTIME_SOURCES})
  lathe_shared(lathe_rt_shared lathe_rt ${CMAKE_SOURCE_DIR}/cmake/lathe_rt.map)
  target_include_directories(lathe_rt_shared PRIVATE include ${CMAKE_SOURCE_DIR})
  target_compile_options(lathe_rt_shared PRIVATE -Os)
  target_link_libraries(lathe_rt_shared PRIVATE ${CMAKE_DL_LIBS} m)
endif()

set(amalgam ${CMAKE_BINARY_DIR}/lathe_rt.c)
file(GLOB runtime_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.h ${CMAKE_SOURCE_DIR}/runtime/*.def ${CMAKE_SOURCE_DIR}/include/*.h)
add_custom_command(OUTPUT ${amalgam}
  COMMAND sh ${CMAKE_SOURCE_DIR}/cmake/amalgamate.sh ${amalgam} ${LATHE_RUNTIME_SOURCES}
  DEPENDS cmake/amalgamate.sh ${LATHE_RUNTIME_SOURCES} ${runtime_headers} ${CMAKE_SOURCE_DIR}/ir/types.def
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
add_custom_target(lathe_rt_amalgam ALL DEPENDS ${amalgam})
install(FILES ${amalgam} include/lathe_rt.h DESTINATION ${CMAKE_INSTALL_DATADIR}/lathe)

find_program(LATHE_AARCH64_CC NAMES aarch64-linux-gnu-gcc)
find_program(LATHE_AARCH64_AR NAMES aarch64-linux-gnu-ar)
if(LATHE_CROSS_AARCH64 AND LATHE_AARCH64_CC AND LATHE_AARCH64_AR)
  set(cross_dir ${CMAKE_BINARY_DIR}/aarch64)
  set(cross_objects)
  foreach(source IN LISTS LATHE_RUNTIME_SOURCES)
    get_filename_component(stem ${source} NAME_WE)
    get_source_file_property(speed ${source} COMPILE_OPTIONS)
    if(NOT speed)
      set(speed)
    endif()
    add_custom_command(OUTPUT ${cross_dir}/${stem}.o
      COMMAND ${CMAKE_COMMAND} -E make_directory ${cross_dir}
      COMMAND ${LATHE_AARCH64_CC} -std=c11 -D_GNU_SOURCE ${LATHE_RUNTIME_FLAGS} ${speed} -mno-outline-atomics
              -I${CMAKE_SOURCE_DIR} -I${CMAKE_SOURCE_DIR}/include -c ${source} -o ${cross_dir}/${stem}.o
      DEPENDS ${source} ${runtime_headers} VERBATIM)
    list(APPEND cross_objects ${cross_dir}/${stem}.o)
  endforeach()
  add_custom_command(OUTPUT ${cross_dir}/liblathe_rt.a
    COMMAND ${CMAKE_COMMAND} -E rm -f ${cross_dir}/liblathe_rt.a
    COMMAND ${LATHE_AARCH64_AR} rcs ${cross_dir}/liblathe_rt.a ${cross_objects}
    DEPENDS ${cross_objects} VERBATIM)
  set(runner_sources ${CMAKE_SOURCE_DIR}/driver/runner.c)
  file(GLOB common_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/driver/tensor_*.c ${CMAKE_SOURCE_DIR}/driver/library.c)
  file(GLOB driver_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/driver/*.h)
  add_custom_command(OUTPUT ${cross_dir}/lathe-runner
    COMMAND ${LATHE_AARCH64_CC} -std=c11 -D_GNU_SOURCE -O2 -I${CMAKE_SOURCE_DIR} -I${CMAKE_SOURCE_DIR}/include
            ${runner_sources} ${common_sources} ${cross_dir}/liblathe_rt.a -ldl -lpthread -lm -o ${cross_dir}/lathe-runner
    DEPENDS ${runner_sources} ${common_sources} ${driver_headers} ${cross_dir}/liblathe_rt.a VERBATIM)
  add_custom_target(lathe_rt_aarch64 ALL DEPENDS ${cross_dir}/liblathe_rt.a ${cross_dir}/lathe-runner)
  install(FILES ${cross_dir}/liblathe_rt.a DESTINATION lib/lathe/aarch64-linux-gnu)
  install(PROGRAMS ${cross_dir}/lathe-runner DESTINATION lib/lathe/aarch64-linux-gnu)
endif()
