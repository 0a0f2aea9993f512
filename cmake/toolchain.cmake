# Compiler settings that every target shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")

set(ATOLL_SANITIZE "" CACHE STRING "Sanitizers to build with, comma separated; empty for none")
option(ATOLL_PRECOMPILE "Parse the standard library once for all sources" OFF)
option(ATOLL_FUZZ "Link the fuzzers with libFuzzer (clang only); otherwise they replay files" OFF)

# All symbols are bound at the start: what smbd forks binds none again, and the tables of addresses are read-only.
add_link_options(-Wl,-z,relro,-z,now)
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Werror -fvisibility=hidden)
if(ATOLL_SANITIZE)
  add_compile_options(-fsanitize=${ATOLL_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ATOLL_SANITIZE})
  add_compile_definitions(ATOLL_SANITIZED=1)
  if(ATOLL_SANITIZE MATCHES "address.*undefined")
    # A use of a null pointer and an access outside an object end in AddressSanitizer anyway; looking for them twice is a fifth of the compiling.
    add_compile_options(-fno-sanitize=null,object-size)
  endif()
  if(ATOLL_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # tdb/file has a fence, which ThreadSanitizer does not see; what it orders is also ordered by locks
  endif()
endif()
if(ATOLL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# What tests say themselves need not be fast, and is compiled in half the time so. What they test is compiled as everything else, save inline functions,
# which the linker takes from the tests: what has to compute for long is a program (ctdbsim --plant all).
set(ATOLL_tests_OPTIONS -O0)
if(ATOLL_FUZZ)
  list(APPEND ATOLL_tests_OPTIONS -fno-sanitize=fuzzer-no-link)
endif()
if(ATOLL_SANITIZE MATCHES "undefined")
  list(APPEND ATOLL_tests_OPTIONS -fno-sanitize=alignment,vptr)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(fmt REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
