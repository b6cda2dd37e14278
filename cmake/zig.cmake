# Cross compiling with the Clang and the system libraries that come with Zig:
#
#     pip install ziglang
#     cmake -S . -B build/cross -DCMAKE_TOOLCHAIN_FILE=cmake/zig.cmake -DPYSEQ_ZIG_TARGET=aarch64-macos \
#       -DPYSEQ_OPENMP=OFF -DPYSEQ_ISAS=base
#
# PYSEQ_ZIG_TARGET: PROCESSOR-linux-gnu, -linux-gnu.2.28 (the oldest glibc), -macos, -windows-gnu, ... The
# variable of the environment of the same name serves too. PYSEQ_ZIG: the program, else the one of ziglang in
# `python3`.

foreach(name PYSEQ_ZIG_TARGET PYSEQ_ZIG)
  if(NOT DEFINED ${name} AND DEFINED ENV{${name}})
    set(${name} $ENV{${name}})
  endif()
endforeach()
if(NOT PYSEQ_ZIG_TARGET MATCHES "^(x86_64|aarch64)-(linux|macos|windows)")
  message(FATAL_ERROR "PYSEQ_ZIG_TARGET: expected x86_64 or aarch64 and linux, macos or windows, such as aarch64-macos, got \"${PYSEQ_ZIG_TARGET}\"")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
set(_system_linux Linux)
set(_system_macos Darwin)
set(_system_windows Windows)
set(CMAKE_SYSTEM_NAME ${_system_${CMAKE_MATCH_2}})
if(NOT PYSEQ_ZIG)
  execute_process(COMMAND python3 -c "import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))"
    OUTPUT_VARIABLE PYSEQ_ZIG OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT PYSEQ_ZIG)
    message(FATAL_ERROR "PYSEQ_ZIG: expected a path to zig, got none; pip install ziglang")
  endif()
endif()
# What CMake compiles while it configures reads this file again.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PYSEQ_ZIG_TARGET PYSEQ_ZIG)

# CMake calls archivers by one name, and Zig's are subcommands.
function(_zig_tool variable name)
  set(script ${CMAKE_BINARY_DIR}/zig/${name})
  list(JOIN ARGN " " arguments)
  if(NOT EXISTS ${script})
    file(WRITE ${script} "#!/bin/sh\nexec '${PYSEQ_ZIG}' ${arguments} \"$@\"\n")
    file(CHMOD ${script} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()
  set(${variable} ${script} CACHE FILEPATH "" FORCE)
endfunction()
_zig_tool(CMAKE_CXX_COMPILER c++ c++ -target ${PYSEQ_ZIG_TARGET})
_zig_tool(CMAKE_AR ar ar)
_zig_tool(CMAKE_RANLIB ranlib ranlib)
_zig_tool(CMAKE_CXX_COMPILER_AR ar ar)
_zig_tool(CMAKE_CXX_COMPILER_RANLIB ranlib ranlib)
if(CMAKE_SYSTEM_NAME STREQUAL "Darwin")
  set(CMAKE_INSTALL_NAME_TOOL true)  # asked for, and not used: all libraries are static
  set(CMAKE_OSX_SYSROOT "" CACHE STRING "")
endif()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
