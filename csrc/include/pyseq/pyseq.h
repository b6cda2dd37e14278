#pragma once
#include "pyseq/config.h"
#include "pyseq/error.h"
#include "pyseq/model.h"
#include "pyseq/program.h"
#include "pyseq/session.h"
#include "pyseq/trainer.h"
#include "pyseq/variable.h"
