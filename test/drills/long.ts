/** With WALSHIP_TEST_LONG=1 drills go on for minutes; without it each is a quick pass. */
export const LONG = process.env.WALSHIP_TEST_LONG === '1'
