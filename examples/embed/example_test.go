package main

// What the program prints.
func Example() {
	main()
	// Output: succeeded {"patient":"Zoë Sample"}
}
