# csrc/cuda as a module of its own: libpyseq_cuda.so with nvcc, or, to test its kernels without a GPU,
# libpyseq_cuda_emulation.so with the C++ compiler.

set(_cuda_root ${CMAKE_CURRENT_SOURCE_DIR}/csrc/cuda)
set(_cuda_files "")
foreach(folder ops losses optimizers)
  file(GLOB files CONFIGURE_DEPENDS ${_cuda_root}/${folder}/*.cu)
  set(entries "")
  foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    string(APPEND entries "PYSEQ_ENTRY(${name})\n")
  endforeach()
  file(CONFIGURE OUTPUT ${_generated}/cuda_${folder}.inc CONTENT "${entries}")
  list(APPEND _cuda_files ${files})
endforeach()
file(GLOB files CONFIGURE_DEPENDS ${_cuda_root}/*.cu)
list(APPEND _cuda_files ${files})
# What plans need: they run on the host.
set(_cuda_host_files csrc/core/plan.cpp csrc/kernels/activation.cpp csrc/kernels/conv_shape.cpp ${PYSEQ_PLATFORM_SOURCE})

if(PYSEQ_CUDA STREQUAL "EMULATE")
  set(_cuda_target pyseq_cuda_emulation)
  list(REMOVE_ITEM _cuda_files ${_cuda_root}/gemm.cu ${_cuda_root}/cudnn_library.cu)
  set_source_files_properties(${_cuda_files} PROPERTIES LANGUAGE CXX)
  file(GLOB files CONFIGURE_DEPENDS ${_cuda_root}/emulation/*.cpp)
  list(APPEND _cuda_files ${files})
else()
  set(_cuda_target pyseq_cuda)
  # Code for 7.5, for 8.0 (which 8.6 and 8.9 run too) and 9.0, and PTX for what follows.
  set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 90 CACHE STRING "GPUs to compile for")
  set(CMAKE_CUDA_STANDARD 20)
  enable_language(CUDA)
  find_package(Python REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c "import os, nvidia.cu13; print(os.path.join(list(nvidia.cu13.__path__)[0]))"
    OUTPUT_VARIABLE _nvidia OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_path(PYSEQ_CUBLAS_INCLUDE cublasLt.h HINTS ${_nvidia}/include PATH_SUFFIXES include)
  find_library(PYSEQ_CUBLAS_LIBRARY NAMES cublasLt libcublasLt.so.13 HINTS ${_nvidia}/lib)
  if(NOT PYSEQ_CUBLAS_INCLUDE OR NOT PYSEQ_CUBLAS_LIBRARY)
    message(FATAL_ERROR "PYSEQ_CUDA: expected cuBLAS, got none; pip install 'nvidia-cublas>=13,<14'")
  endif()
endif()

add_library(${_cuda_target} SHARED ${_cuda_files} ${_cuda_host_files})
target_include_directories(${_cuda_target} PRIVATE csrc csrc/include ${_generated})
target_compile_definitions(${_cuda_target} PRIVATE PYSEQ_NS=cuda)
if(PYSEQ_CUDA STREQUAL "EMULATE")
  target_compile_definitions(${_cuda_target} PRIVATE PYSEQ_CUDA_EMULATION)
  # For tests alone: what counts is how soon it is compiled.
  target_compile_options(${_cuda_target} PRIVATE $<$<CONFIG:Release>:-O1>)
else()
  target_include_directories(${_cuda_target} SYSTEM PRIVATE ${PYSEQ_CUBLAS_INCLUDE})
  target_compile_options(${_cuda_target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--extended-lambda>)
  target_link_libraries(${_cuda_target} PRIVATE ${PYSEQ_CUBLAS_LIBRARY} ${CMAKE_DL_LIBS})
  # Beside the wheels of nvidia-cublas and nvidia-cudnn-cu13, in any site-packages folder. cuDNN is
  # looked for when the first convolution is planned.
  set(_wheels "$ORIGIN;$ORIGIN/../nvidia/cu13/lib;$ORIGIN/../nvidia/cudnn/lib")
  set_target_properties(${_cuda_target} PROPERTIES CUDA_RUNTIME_LIBRARY Static
    BUILD_RPATH "${_wheels}" INSTALL_RPATH "${_wheels}")
endif()
# The core is linked into who loads this: nothing may be looked up there.
target_link_options(${_cuda_target} PRIVATE -Wl,--no-undefined)
if(SKBUILD)
  install(TARGETS ${_cuda_target} LIBRARY DESTINATION pyseq)
else()
  include(GNUInstallDirs)
  install(TARGETS ${_cuda_target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
