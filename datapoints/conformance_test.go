package datapoints_test

import (
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/storetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) datapoints.Store { return new(datapoints.Memory) })
}

func TestSealedMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) datapoints.Store {
		return datapoints.Seal(new(datapoints.Memory), datapoints.NewMasterKey())
	})
}
