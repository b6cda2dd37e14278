# The levels that kernels are compiled for, worst first, with their compiler flags. PYSEQ_ISAS names some
# of them, or `native` (what serves on this machine), or `all`.

set(_levels "")
macro(pyseq_level name)
  list(APPEND _levels ${name})
  set(_flags_${name} ${ARGN})
endmacro()

set(_processor ${CMAKE_SYSTEM_PROCESSOR})
if(CMAKE_OSX_ARCHITECTURES)  # what is built for, which need not be this machine's
  set(_processor ${CMAKE_OSX_ARCHITECTURES})
endif()
pyseq_level(base)
if(_processor MATCHES "x86_64|AMD64")
  pyseq_level(avx2 -mavx2 -mfma -mbmi2)
  if(NOT APPLE)  # macOS hides AVX-512 until a program has used it
    pyseq_level(avx512 -march=x86-64-v4 -mprefer-vector-width=512)
  endif()
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")  # only there the kernel's permission is asked for: core/cpu.h
    pyseq_level(amx ${_flags_avx512} -mavx512bf16 -mamx-tile -mamx-bf16 -DPYSEQ_AMX=1)
  endif()
endif()
pyseq_level(ref64 -DPYSEQ_REAL=double)  # float64 models; never the best level

set(PYSEQ_ISAS native CACHE STRING "Levels to compile the kernels for: native, all, or some of ${_levels}")

# The best level that the CPU of this machine runs, and what stands in for it in other places.
function(pyseq_native_levels result)
  if(CMAKE_CROSSCOMPILING)
    set(${result} ${_levels} PARENT_SCOPE)
    return()
  endif()
  list(JOIN _levels "\",\"" names)
  # Asked anew each time: a build folder may move to another machine.
  unset(PYSEQ_NATIVE_RUNS CACHE)
  unset(PYSEQ_NATIVE_COMPILES CACHE)
  try_run(PYSEQ_NATIVE_RUNS PYSEQ_NATIVE_COMPILES
    ${CMAKE_CURRENT_BINARY_DIR}/native ${CMAKE_CURRENT_SOURCE_DIR}/cmake/native_isas.cpp
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${CMAKE_CURRENT_SOURCE_DIR}/csrc"
    COMPILE_DEFINITIONS "-DPYSEQ_LEVELS=\"${names}\"" "-DPYSEQ_PLATFORM_SOURCE=\"${PYSEQ_PLATFORM_SOURCE}\""
    LINK_LIBRARIES Threads::Threads ${CMAKE_DL_LIBS}
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
    COMPILE_OUTPUT_VARIABLE output RUN_OUTPUT_VARIABLE runs)
  if(NOT PYSEQ_NATIVE_COMPILES OR NOT PYSEQ_NATIVE_RUNS EQUAL 0)
    message(WARNING "PYSEQ_ISAS: no answer which levels this CPU runs; compiling all\n${output}")
    set(${result} ${_levels} PARENT_SCOPE)
    return()
  endif()
  set(float_levels ${runs})
  list(REMOVE_ITEM float_levels ref64 "")
  list(GET float_levels -1 best)
  set(levels base ${best} ref64)
  if(best STREQUAL "amx")
    list(APPEND levels avx512)  # the system may refuse tiles to a process
  endif()
  set(${result} ${levels} PARENT_SCOPE)
endfunction()

set(_wanted "")
foreach(name ${PYSEQ_ISAS})
  if(name STREQUAL "native")
    pyseq_native_levels(_native)
    list(APPEND _wanted ${_native})
  elseif(name STREQUAL "all")
    list(APPEND _wanted ${_levels})
  elseif(name IN_LIST _levels)
    list(APPEND _wanted ${name})
  else()
    message(FATAL_ERROR "PYSEQ_ISAS: expected native, all or some of ${_levels}, got ${name}")
  endif()
endforeach()
# In the table's order, each once.
set(PYSEQ_LEVELS "")
foreach(name ${_levels})
  if(name IN_LIST _wanted)
    list(APPEND PYSEQ_LEVELS ${name})
  endif()
endforeach()
if(NOT PYSEQ_LEVELS)
  message(FATAL_ERROR "PYSEQ_ISAS: expected native, all or some of ${_levels}, got nothing")
endif()
