# What `cmake --install` puts where: the command, the headers, the compiler library, the runtime's
# source, and the files by which CMake and pkg-config find all of it. (LatheRuntime.cmake installs
# the runtime archives: below lib/lathe, where the command looks for them.) Every path in those files
# is relative to the file, so that the installed tree may be moved.
include(CMakePackageConfigHelpers)

install(TARGETS lathe lathe-runner RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS liblathe ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(NOT LATHE_SANITIZE)
  install(TARGETS liblathe_shared lathe_rt_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(FILES include/lathe.h include/lathe_experimental.h include/lathe_rt.h
  include/lathe_generate.h include/lathe_bpe.h include/lathe_unicode.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/lathe)
configure_package_config_file(cmake/latheConfig.cmake.in ${CMAKE_BINARY_DIR}/latheConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_BINDIR CMAKE_INSTALL_INCLUDEDIR
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/latheConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_BINARY_DIR}/latheConfig.cmake ${CMAKE_BINARY_DIR}/latheConfigVersion.cmake
  cmake/LatheAddModel.cmake DESTINATION ${package_dir})

set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH LATHE_PC_PREFIX /${pc_dir} /)
string(REGEX REPLACE "/$" "" LATHE_PC_PREFIX ${LATHE_PC_PREFIX})
foreach(module IN ITEMS lathe lathe-rt)
  configure_file(cmake/${module}.pc.in ${CMAKE_BINARY_DIR}/${module}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${module}.pc DESTINATION ${pc_dir})
endforeach()

# The man page and the shells' completions, written by the command from its own tables.
foreach(generated IN ITEMS
    "man:lathe.1:${CMAKE_INSTALL_MANDIR}/man1" "bash:lathe.bash:${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
    "zsh:_lathe:${CMAKE_INSTALL_DATADIR}/zsh/site-functions" "fish:lathe.fish:${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
  string(REPLACE ":" ";" generated ${generated})
  list(GET generated 0 kind)
  list(GET generated 1 file)
  list(GET generated 2 destination)
  set(path ${CMAKE_BINARY_DIR}/generated/${file})
  add_custom_command(OUTPUT ${path} COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated
    COMMAND lathe generate ${kind} > ${path} DEPENDS lathe VERBATIM)
  list(APPEND generated_files ${path})
  if(kind STREQUAL bash)
    install(FILES ${path} DESTINATION ${destination} RENAME lathe)
  else()
    install(FILES ${path} DESTINATION ${destination})
  endif()
endforeach()
add_custom_target(lathe_generated ALL DEPENDS ${generated_files})
