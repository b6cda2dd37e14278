# ccache or sccache where there is one. An empty CMAKE_CXX_COMPILER_LAUNCHER compiles without.
if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(PYSEQ_COMPILER_CACHE NAMES ccache sccache)
  mark_as_advanced(PYSEQ_COMPILER_CACHE)
  if(PYSEQ_COMPILER_CACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${PYSEQ_COMPILER_CACHE})
  endif()
endif()
