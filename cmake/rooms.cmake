# atoll_room(): the only way to make a library target. A room sees itself, its ARROWS and what those EXPORT, and nothing else:
# its one include path of ours is a "view", a directory of symlinks made here. See docs/design.md, "The house".
#
#   atoll_room(NAME            the room's path from the top, such as libcli/smb; headers are included by that path
#     SOURCES a.cpp ...        its code (generated .cpp files by absolute path)
#     ARROWS room ...          rooms that its code may include; each must have been added before
#     EXPORTS room ...         arrows that its headers name, so that whoever has an arrow to this room sees them too
#     LIBRARIES target ...     outside libraries, private to the room
#     GENERATED a.h ...        headers that the build makes in ${ATOLL_GENERATED}/<room>
#     DEPENDS target ...       targets that must be built before the room's code compiles (generators)
#     TESTS a_test.cpp ...     GoogleTest files, one executable for the room
#     TEST_ARROWS room ...     rooms that only the tests and fuzzers include
#     TEST_LIBRARIES target .. outside libraries that only the tests use
#     FUZZERS a_fuzz.cpp ...)  one libFuzzer entry each; without ATOLL_FUZZ they become programs that replay files
#
# atoll_program(NAME [TESTS] SOURCES.. ARROWS.. LIBRARIES..): a program in build/<preset>/bin, with a view of the same kind. TESTS: it is for tests alone.

set(ATOLL_GENERATED ${CMAKE_BINARY_DIR}/generated)
set_property(GLOBAL PROPERTY ATOLL_ALL_ROOMS "")
add_custom_target(fuzzers)

function(_atoll_target room out)
  string(REPLACE "/" "_" flat ${room})
  set(${out} atoll_${flat} PARENT_SCOPE)
endfunction()

# All rooms that ROOMS make visible: themselves and, transitively, what they export.
function(_atoll_visible out)
  set(visible "")
  set(queue ${ARGN})
  while(queue)
    list(POP_FRONT queue room)
    if(room IN_LIST visible)
      continue()
    endif()
    list(APPEND visible ${room})
    _atoll_target(${room} target)
    if(NOT TARGET ${target})
      message(FATAL_ERROR "room '${room}' is not known yet: arrows point down, to rooms that stand earlier in ATOLL_ROOMS")
    endif()
    get_target_property(exports ${target} ATOLL_EXPORTS)
    if(exports)
      list(APPEND queue ${exports})
    endif()
  endwhile()
  set(${out} ${visible} PARENT_SCOPE)
endfunction()

# Makes the directory VIEW with a symlink for each header of each of the rooms. Those of headers that the build makes, idlc's, are made by the build
# too, though they are there: ninja notices in the same run only of what an edge makes that it has changed. OUT gets the target of these, or nothing.
function(_atoll_view out view)
  file(REMOVE_RECURSE ${view})
  set(links "")
  foreach(room IN LISTS ARGN)
    file(MAKE_DIRECTORY ${view}/${room})
    file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/${room} ${CMAKE_SOURCE_DIR}/${room}/*.h)
    foreach(header IN LISTS headers)
      file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${room}/${header} ${view}/${room}/${header} SYMBOLIC)
    endforeach()
    get_property(generated GLOBAL PROPERTY ATOLL_GENERATED_${room})
    foreach(header IN LISTS generated)
      file(CREATE_LINK ${ATOLL_GENERATED}/${room}/${header} ${view}/${room}/${header} SYMBOLIC)
      add_custom_command(
        OUTPUT ${view}/${room}/${header}
        COMMAND ${CMAKE_COMMAND} -E create_symlink ${ATOLL_GENERATED}/${room}/${header} ${view}/${room}/${header}
        DEPENDS ${ATOLL_GENERATED}/${room}/${header}
        COMMENT ""
        VERBATIM)
      list(APPEND links ${view}/${room}/${header})
    endforeach()
  endforeach()
  set(${out} "" PARENT_SCOPE)
  if(links)
    get_filename_component(name ${view} NAME)
    add_custom_target(view_of_${name} DEPENDS ${links})
    set(${out} view_of_${name} PARENT_SCOPE)
  endif()
endfunction()

# `role` is what a target is for, `code` or `tests`: each is compiled with ATOLL_<role>_OPTIONS (cmake/toolchain.cmake) and, save in the presets debug and
# tsan, which show that each source includes what it uses, starts with cmake/precompiled_<role>.h, parsed once for all.
function(_atoll_compile_as role target)
  target_compile_options(${target} PRIVATE ${ATOLL_${role}_OPTIONS})
  if(ATOLL_PRECOMPILE)
    # gcc takes a precompiled header only under the macros under which it was made.
    target_compile_definitions(${target} PRIVATE $<TARGET_PROPERTY:fmt::fmt,INTERFACE_COMPILE_DEFINITIONS>)
    target_compile_options(${target} PRIVATE $<TARGET_PROPERTY:GTest::gtest,INTERFACE_COMPILE_OPTIONS>)
  endif()
endfunction()

function(_atoll_precompile role)
  set(target atoll_precompiled_${role})
  file(WRITE ${CMAKE_BINARY_DIR}/${target}.cpp "")
  add_library(${target} OBJECT ${CMAKE_BINARY_DIR}/${target}.cpp)
  _atoll_compile_as(${role} ${target})
  # By a name without the directory, so that each working tree precompiles the same text.
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/cmake)
  target_precompile_headers(${target} PRIVATE <precompiled_${role}.h>)
  target_link_libraries(${target} PRIVATE Threads::Threads)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")  # or ccache takes each for another
  endif()
endfunction()

if(ATOLL_PRECOMPILE)
  _atoll_precompile(code)
  _atoll_precompile(tests)
endif()

function(_atoll_attach role target room_set view links)
  _atoll_compile_as(${role} ${target})
  if(ATOLL_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM atoll_precompiled_${role})
  endif()
  target_include_directories(${target} PRIVATE ${view})
  if(links)
    add_dependencies(${target} ${links})
  endif()
  foreach(arrow IN LISTS ${room_set})
    _atoll_target(${arrow} arrow_target)
    target_link_libraries(${target} PRIVATE ${arrow_target})
    get_target_property(depends ${arrow_target} ATOLL_DEPENDS)
    if(depends)
      add_dependencies(${target} ${depends})
    endif()
  endforeach()
endfunction()

if(NOT ATOLL_FUZZ)
  add_library(atoll_replay OBJECT ${CMAKE_SOURCE_DIR}/cmake/replay_main.cpp)
  _atoll_compile_as(tests atoll_replay)
endif()

function(atoll_room NAME)
  cmake_parse_arguments(R "" "" "SOURCES;ARROWS;EXPORTS;LIBRARIES;GENERATED;DEPENDS;TESTS;TEST_ARROWS;TEST_LIBRARIES;FUZZERS" ${ARGN})
  if(R_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "atoll_room(${NAME}): unknown arguments ${R_UNPARSED_ARGUMENTS}")
  endif()
  foreach(export IN LISTS R_EXPORTS)
    if(NOT export IN_LIST R_ARROWS)
      message(FATAL_ERROR "atoll_room(${NAME}): exports '${export}', which is not among its arrows")
    endif()
  endforeach()
  _atoll_target(${NAME} target)
  set_property(GLOBAL APPEND PROPERTY ATOLL_ALL_ROOMS ${NAME})
  set_property(GLOBAL PROPERTY ATOLL_GENERATED_${NAME} ${R_GENERATED})

  _atoll_visible(visible ${R_ARROWS})
  set(view ${CMAKE_BINARY_DIR}/views/${target})
  _atoll_view(links ${view} ${NAME} ${visible})

  add_library(${target} STATIC ${R_SOURCES})
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX ATOLL_EXPORTS "${R_EXPORTS}" ATOLL_DEPENDS "${R_DEPENDS}" ATOLL_VISIBLE "${visible}" ATOLL_VIEW ${view})
  _atoll_attach(code ${target} visible ${view} "${links}")
  target_link_libraries(${target} PRIVATE ${R_LIBRARIES} Threads::Threads)
  if(R_DEPENDS)
    add_dependencies(${target} ${R_DEPENDS})
  endif()

  if(R_TESTS OR R_FUZZERS)
    _atoll_visible(test_visible ${R_ARROWS} ${R_TEST_ARROWS})
    set(test_rooms ${NAME} ${test_visible})
    set(test_view ${CMAKE_BINARY_DIR}/views/${target}_test)
    _atoll_view(test_links ${test_view} ${test_rooms})
  endif()
  if(R_TESTS)
    add_executable(${target}_test ${R_TESTS})
    _atoll_attach(tests ${target}_test test_rooms ${test_view} "${test_links}")
    target_link_libraries(${target}_test PRIVATE ${R_LIBRARIES} ${R_TEST_LIBRARIES} GTest::gtest GTest::gmock GTest::gtest_main Threads::Threads)
    set_target_properties(${target}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME unit.${NAME} COMMAND ${target}_test)
  endif()
  foreach(source IN LISTS R_FUZZERS)
    get_filename_component(fuzzer ${source} NAME_WE)
    string(REPLACE "/" "_" prefix ${NAME})
    set(fuzzer ${prefix}_${fuzzer})
    if(ATOLL_FUZZ)
      add_executable(${fuzzer} ${source})
      target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
    else()
      add_executable(${fuzzer} ${source} $<TARGET_OBJECTS:atoll_replay>)
      add_test(NAME replay.${fuzzer} COMMAND ${fuzzer} ${CMAKE_SOURCE_DIR}/${NAME}/corpus)
    endif()
    _atoll_attach(code ${fuzzer} test_rooms ${test_view} "${test_links}")
    target_link_libraries(${fuzzer} PRIVATE ${R_LIBRARIES} Threads::Threads)
    set_target_properties(${fuzzer} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    add_dependencies(fuzzers ${fuzzer})
  endforeach()
endfunction()

function(atoll_program NAME)
  cmake_parse_arguments(P "TESTS" "" "SOURCES;ARROWS;LIBRARIES" ${ARGN})
  _atoll_visible(visible ${P_ARROWS})
  set(view ${CMAKE_BINARY_DIR}/views/program_${NAME})
  _atoll_view(links ${view} ${visible})
  # Headers that belong to the program's own directory are seen by their path from the top, as a room's are.
  file(RELATIVE_PATH here ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/*.h)
  file(MAKE_DIRECTORY ${view}/${here})
  foreach(header IN LISTS headers)
    file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/${header} ${view}/${here}/${header} SYMBOLIC)
  endforeach()
  add_executable(${NAME} ${P_SOURCES})
  set(role code)
  if(P_TESTS)
    set(role tests)
  endif()
  _atoll_attach(${role} ${NAME} visible ${view} "${links}")
  target_link_libraries(${NAME} PRIVATE ${P_LIBRARIES} Threads::Threads)
endfunction()

# One test a room: every room outside its view must fail to be included from it, and every room in its view must not.
function(atoll_check_rooms)
  get_property(rooms GLOBAL PROPERTY ATOLL_ALL_ROOMS)
  foreach(room IN LISTS rooms)
    _atoll_target(${room} target)
    get_target_property(visible ${target} ATOLL_VISIBLE)
    get_target_property(view ${target} ATOLL_VIEW)
    set(banned ${rooms})
    list(REMOVE_ITEM banned ${room} ${visible})
    add_test(NAME arrows.${room}
      COMMAND ${CMAKE_SOURCE_DIR}/cmake/check_arrows.sh ${CMAKE_CXX_COMPILER} ${view} ${CMAKE_SOURCE_DIR} ${room} "${banned}" "${visible}")
  endforeach()
endfunction()
